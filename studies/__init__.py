"""One-off analyses behind some of the committed findings; nothing imports them."""
