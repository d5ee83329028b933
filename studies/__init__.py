"""One-off analyses behind some of the committed findings (see README.md); nothing imports them."""
