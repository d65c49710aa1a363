"""image.actions: what may be asked of the image service: records, their data, and with whom they are shared."""
