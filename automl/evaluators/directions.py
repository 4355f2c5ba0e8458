"""Which way is better, read from a metric's name: nobody wants a loss to be large."""

from __future__ import annotations

import re

from automl.errors import InvalidInput

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_LESS_TEXT = """
loss losses error errors err rmse rmsle mse msle mae mape smape nll perplexity ppl latency seconds secs sec ms millis
milliseconds microseconds minutes hours time runtime walltime duration cost costs flops macs params parameters memory
bytes cer wer ter mer fid kid bpb bpc bpd logloss xent ce bce crossentropy deviance brier regret residual residuals
divergence kl kld hinge misclassification misclassified fpr fnr eer ece penalty risk violation violations failures
mistakes overhead
"""
_MORE_TEXT = """
accuracy acc auc auroc auprc roc score fitness reward rewards return returns precision recall iou miou dice bleu rouge
meteor psnr ssim likelihood loglikelihood elbo evidence kappa mcc throughput speedup gain sharpe hits ndcg mrr
specificity sensitivity correlation pearson spearman kendall correct profit utility quality map reduction improvement
free
"""
_LESS, _MORE = frozenset(_LESS_TEXT.split()), frozenset(_MORE_TEXT.split())
_EITHER = frozenset({"distance", "entropy", "energy", "variance", "price"})
_NEGATED = frozenset({"neg", "negative", "minus", "negated", "inverse", "inverted"})
_FROM_ONE = re.compile(r"\s*1\s*-")


def direction_of(name: str) -> str | None:
    """Returns the direction that a metric's name says: losses, errors, costs and times are made small.

    Args:
        name: such as `val_loss`, `testRMSE` or `neg_mean_squared_error` (a negated loss is made large).

    Returns:
        "minimize" or "maximize", or None where the name says neither.

    Raises:
        InvalidInput: the name says both, or is of a thing that some make large and some small (a distance).

    Example:
        >>> direction_of("val_loss"), direction_of("neg_log_likelihood"), direction_of("top1"), direction_of("colour")
        ('minimize', 'minimize', None, None)
    """
    words = {word.lower() for word in _WORDS.findall(name)}
    if {"cross", "entropy"} <= words:
        words = words - {"entropy"} | {"crossentropy"}
    less, more = bool(words & _LESS), bool(words & _MORE)
    if (less and more) or (not less and not more and words & _EITHER):
        raise InvalidInput(
            f"objective {name!r}: its name does not say whether it is to be made large or small; "
            "give direction='maximize' or direction='minimize' (--direction)"
        )
    if not less and not more:
        return None
    negated = bool(words & _NEGATED) or _FROM_ONE.match(name) is not None
    return "minimize" if less != negated else "maximize"
