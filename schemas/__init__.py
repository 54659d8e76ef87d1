"""The contracts: every column, the record schemas, the exits, and what a model must do. numpy and pyarrow only."""
