"""The diffusion planner: encoder, denoiser, noise schedule, normalizer, checkpoint."""
