"""The whole way: pre-train, evaluate, fine-tune, evaluate (SODP, Algorithm 1)."""
