function live() {}
