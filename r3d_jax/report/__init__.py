"""How good a trained network is, on one page: accuracies with their intervals, confusions, mistakes, maps."""
