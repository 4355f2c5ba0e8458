import automl
class Line(automl.Space):
    x = automl.Integer(0, 20)
