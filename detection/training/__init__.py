"""Fine-tune a base: settings, schedule, checkpoints, the loop. Importing it loads no TensorFlow."""
