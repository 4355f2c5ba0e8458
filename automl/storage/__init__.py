"""The only room that speaks SQL: opening and migrating databases, and the rows of studies, trials and evaluations."""
