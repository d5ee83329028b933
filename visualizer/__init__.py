"""Pages, plots, players and videos; knows neither simulator nor store."""
