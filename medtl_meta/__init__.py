"""Ask the literature on transfer learning for medical images, and rerun it."""
