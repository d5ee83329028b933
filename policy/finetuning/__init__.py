"""Online fine-tuning on one task (SODP, Section 3.2 and Algorithm 1)."""
