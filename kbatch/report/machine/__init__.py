"""Results for programs: JUnit, SARIF, CSV, JSON and annotations."""
