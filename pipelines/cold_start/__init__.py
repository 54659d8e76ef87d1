"""Long-CoT cold start (paper 4): questions become SFT samples whose chains of thought a verifier has passed."""
