"""Configuration files for phones: what a phone must be told, said in each brand's own terms."""
