"""Recovery images: whole data directories at a checkpoint, from which recovery starts; making, scrubbing and pruning them."""
