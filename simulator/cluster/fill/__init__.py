"""What runs in the idle windows of a training: jobs in pieces, a second instance, inference services."""
