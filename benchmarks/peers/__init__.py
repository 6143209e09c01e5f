"""The servers that uploadsvc is compared with, each as its users run it."""
