"""The chained, signed record of what left: one entry per stretch of time, nothing about
bystanders. ``writer`` makes it, ``verify`` checks it, ``keys`` holds who signs."""
