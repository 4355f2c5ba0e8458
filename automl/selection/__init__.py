"""Who is best: ranking of classes, confirmation, Pareto fronts, objectives and constraints. No test figures here."""
