"""Records of runs, which commands read after the test."""
