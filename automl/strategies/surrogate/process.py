"""A Gaussian process over points that come one by one, and what it says of a pool that changes a little at a time.

Kept up to date are the Cholesky factor of the observed points and its product with the covariances between them and the
pool. A new observation costs one row of each, a new pool member one column; targets enter only where a mean is asked
for, so what they are (one objective or several, warped anew each time) is no matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from automl.strategies.surrogate.kernels import JITTER, Kernel


class Process:
    """The process.

    Args:
        kernel: with its weights.
        columns: of every row.
        points: observed ones for which there is room, together with those that are merely believed.
        slots: of the pool.

    Attributes:
        observed: number of observed points.
    """

    def __init__(self, kernel: Kernel, columns: int, points: int, slots: int) -> None:
        self.kernel = kernel
        self.observed = 0
        self._rows = np.empty((points, columns))
        self._scaled = np.empty((points, columns))
        self._factor = np.zeros((points, points))
        self._pool = np.zeros((slots, columns))
        self._pool_scaled = np.zeros((slots, columns))
        self._across = np.zeros((points, slots))
        self._known = np.zeros(slots)  # how much of each pool member's variance the observed points explain

    @property
    def rows(self) -> np.ndarray:
        """Rows of the observed points."""
        return self._rows[: self.observed]

    def set_kernel(self, kernel: Kernel) -> None:
        """Takes other weights, and works everything out again."""
        self.kernel = kernel
        self._pool_scaled = kernel.scaled(self._pool)
        self.restart(self.rows.copy())

    def restart(self, rows: np.ndarray) -> None:
        """Observes these points and no others."""
        n, kernel = len(rows), self.kernel
        self.observed = n
        self._rows[:n] = rows
        self._scaled[:n] = kernel.scaled(rows)
        self._known[:] = 0.0
        if not n:
            return
        covariance = kernel.between(self._scaled[:n], self._scaled[:n])
        covariance[np.diag_indices(n)] = kernel.variance + kernel.noise + JITTER
        self._factor[:n, :n] = cholesky(covariance, lower=True, check_finite=False)
        across = kernel.between(self._scaled[:n], self._pool_scaled)
        self._across[:n] = self._solved(n, across)
        self._known[:] = np.einsum("ij,ij->j", self._across[:n], self._across[:n])

    def put(self, slots: np.ndarray, rows: np.ndarray) -> None:
        """Puts pool members into slots."""
        n = self.observed
        scaled = self.kernel.scaled(rows)
        self._pool[slots], self._pool_scaled[slots] = rows, scaled
        if n:
            solved = self._solved(n, self.kernel.between(self._scaled[:n], scaled))
            self._across[:n, slots] = solved
            self._known[slots] = np.einsum("ij,ij->j", solved, solved)
        else:
            self._known[slots] = 0.0

    def row(self, slot: int) -> np.ndarray:
        """Returns the row of a pool member."""
        return np.array(self._pool[slot])

    def observe(self, row: np.ndarray) -> None:
        """Adds one observed point."""
        self._known += self._extend(self.observed, row) ** 2
        self.observed += 1

    def believing(self, rows: Sequence[np.ndarray]) -> Believing:
        """Returns what is known of the pool if these points were observed too, and gave what is expected of them."""
        return Believing(self, rows)

    def left_out(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns what the other observed points make of each one's measurement: expected value and standard deviation,
        noise included (Rasmussen and Williams 2006, equations 5.12).

        Args:
            targets: [points].
        """
        n = self.observed
        inverse = cho_solve((self._factor[:n, :n], True), np.eye(n), check_finite=False)
        precision = np.diag(inverse)
        return targets - (inverse @ targets) / precision, np.sqrt(1.0 / precision)

    def _extend(self, n: int, row: np.ndarray) -> np.ndarray:
        """Writes point number `n` and returns its row of the products with the pool."""
        scaled = self.kernel.scaled(row[None])
        self._rows[n], self._scaled[n] = row, scaled[0]
        diagonal = self.kernel.variance + self.kernel.noise + JITTER
        if n:
            before = self._solved(n, self.kernel.between(self._scaled[:n], scaled))[:, 0]
            self._factor[n, :n] = before
            diagonal -= float(before @ before)
        self._factor[n, n] = root = np.sqrt(max(diagonal, JITTER))
        across = self.kernel.between(scaled, self._pool_scaled)[0]
        if n:
            across -= before @ self._across[:n]
        across /= root
        self._across[n] = across
        return np.asarray(across)

    def _solved(self, n: int, right: np.ndarray) -> np.ndarray:
        return np.asarray(solve_triangular(self._factor[:n, :n], right, lower=True, check_finite=False))

    def means(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the expected values of the pool [slots, kinds] and of the observed points [points, kinds].

        Args:
            targets: [points, kinds], about standard normal.
        """
        n = self.observed
        half = self._solved(n, targets)
        solved = solve_triangular(self._factor[:n, :n], half, lower=True, trans=1, check_finite=False)
        return self._across[:n].T @ half, targets - (self.kernel.noise + JITTER) * solved


class Believing:
    """A process that takes the points under way for observed (the believer of Ginsbourger et al. 2010, Kriging Is
    Well-Suited to Parallelize Optimization). What is expected changes nothing in the means, only in the variances.

    Args:
        process: with room for the points.
        rows: of the points under way.
    """

    def __init__(self, process: Process, rows: Sequence[np.ndarray]) -> None:
        self._process = process
        self._points = process.observed
        self._known = process._known.copy()
        for row in rows:
            self.add(row)

    def add(self, row: np.ndarray) -> None:
        """Believes in one point more, where there is room for it."""
        if self._points < len(self._process._factor):
            self._known += self._process._extend(self._points, row) ** 2
            self._points += 1

    def deviations(self) -> np.ndarray:
        """Returns the standard deviation of each slot of the pool, of what is measured without its noise."""
        return np.sqrt(np.maximum(self._process.kernel.variance - self._known, 1e-12))
