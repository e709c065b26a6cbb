"""The table: one line per figure, printed as soon as it is known."""


class Report:
    def __init__(self):
        self.beyond = []
        self.columns = []

    def section(self, name):
        print(f"\n{name}", flush=True)

    def _limit(self, what, value, most, least=None):
        """most, least: the limit that the figure must not pass."""
        if most is None and least is None:
            return ""
        good = value <= most if least is None else value >= least
        if not good:
            self.beyond.append(what)
        bound = f"at most {most:g}" if least is None else f"at least {least:g}"
        return f"({bound}) {'' if good else 'BEYOND'}"

    def line(self, what, value, unit, most=None, least=None):
        limit = self._limit(what, value, most, least)
        print(f"  {what:<62} {value:>10,.4g} {unit:<10} {limit}".rstrip(), flush=True)

    def fact(self, what, holds):
        if not holds:
            self.beyond.append(what)
        print(f"  {what:<62} {'yes' if holds else 'NO':>10}", flush=True)

    # --- side by side: a column for each that is compared

    def head(self, columns):
        self.columns = columns
        print(f"  {'':<62} " + " ".join(f"{name:>11}" for name in columns), flush=True)

    def compare(self, what, values, most=None):
        """values: by column; one that has none was not measured."""
        cells = " ".join(f"{values[name]:>11,.4g}" if name in values else f"{'-':>11}"
                         for name in self.columns)
        limit = self._limit(what, values[self.columns[0]], most)
        print(f"  {what:<62} {cells}  {limit}".rstrip(), flush=True)

    def times(self, what, values, of, most=None):
        """Each as so many times that of the column `of`."""
        self.compare(what, {name: value / values[of] for name, value in values.items()
                            if name != of and values[of]}, most)

    def end(self):
        for what in self.beyond:
            print(f"beyond its limit: {what}")
        return 1 if self.beyond else 0
