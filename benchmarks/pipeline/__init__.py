"""The engine alone: what one frame costs, where, and how that grows with pixels."""
