"""The table: one line per figure, printed as soon as it is known."""


class Report:
    def __init__(self):
        self.beyond = []

    def section(self, name):
        print(f"\n{name}", flush=True)

    def line(self, what, value, unit, most=None):
        """most: the limit that the figure must not pass."""
        limit = "" if most is None else f"(at most {most:g}) "
        good = most is None or value <= most
        if not good:
            self.beyond.append(what)
        print(f"  {what:<62} {value:>10,.4g} {unit:<10} {limit}{'' if good else 'BEYOND'}".rstrip(),
              flush=True)

    def fact(self, what, holds):
        if not holds:
            self.beyond.append(what)
        print(f"  {what:<62} {'yes' if holds else 'NO':>10}", flush=True)

    def end(self):
        for what in self.beyond:
            print(f"beyond its limit: {what}")
        return 1 if self.beyond else 0
