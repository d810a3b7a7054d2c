"""What a trained thing is: spectra, kernels, balance, alignment."""
