"""The equivalence cache: which results a class has, who evaluates what is missing, audits, export and import."""
