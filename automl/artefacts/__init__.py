"""Artefacts: trained weights, supernets, prepared data. Each is known by the digest of its content, never a pickle."""
