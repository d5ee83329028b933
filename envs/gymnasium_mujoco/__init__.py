"""Any MuJoCo environment of Gymnasium, by its id."""
