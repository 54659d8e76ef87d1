"""What the demo corpus of questions is made of: a module for each sort of question, pictures drawn from the same numbers as the truth."""
