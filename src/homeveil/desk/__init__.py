"""What lies on the desk, seen in veiled frames alone, and told without a picture."""
