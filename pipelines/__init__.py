"""The paper's sections as Beam graphs: the only place that imports Beam."""
