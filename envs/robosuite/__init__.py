"""robosuite's single-arm tasks, as robomimic, DPPO and EXPO have them."""
