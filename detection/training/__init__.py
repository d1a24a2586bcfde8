"""Fine-tune a base: settings, schedule, checkpoints, the loop. Importing this loads no TensorFlow."""
