// How long a run will take: the same sum as webapp/training/forecast.py.

/**
 * facts: { images_per_second, judging, most_evaluations, pruned, pruned_share, changes, pace_size,
 *   auto_size, memory, start_seconds, automatic_epochs, images, epochs_by_size, epochs_by_images }
 * chosen: { images, val, length: "auto" | "minutes" | "epochs", epochs, minutes, inputSize, batchSize, prune };
 *   inputSize is NaN where it is left to the boxes' sizes.
 * Returns { seconds, epochs, pace, memory }; seconds is NaN where nothing sensible was entered.
 */
export function forecast(facts, chosen) {
  const size = chosen.inputSize || facts.auto_size;
  const scale = (facts.pace_size / size) ** 2;
  const worth = scale * quicker(facts, chosen.prune);
  const pace = facts.images_per_second * worth;
  const perEpoch = chosen.images / pace;
  const perEvaluation = (facts.judging * chosen.val) / worth;
  const spent = (epochs) => facts.start_seconds + epochs * perEpoch + Math.min(epochs, facts.most_evaluations) * perEvaluation;
  const memory = facts.memory * (0.5 + (0.5 * (chosen.batchSize || 8)) / (8 * scale));
  if (chosen.length === "minutes") {
    const seconds = chosen.minutes * 60;
    const epochs = perEpoch ? epochsIn(seconds - facts.start_seconds, perEpoch, perEvaluation, facts.most_evaluations) : 0;
    return { seconds: Math.max(seconds, spent(epochs)), epochs, pace, memory };
  }
  const epochs = chosen.length === "epochs" ? chosen.epochs : automaticEpochs(facts, chosen.images, size);
  return { seconds: epochs ? spent(epochs) : NaN, epochs, pace, memory };
}

/** How much quicker than the run that was measured, by its pruning and this one's. */
function quicker(facts, prune) {
  if (!facts.changes?.includes("prune") || prune === facts.pruned) return 1;
  return prune ? 1 / facts.pruned_share : facts.pruned_share;
}

/** The engine's `epochs_in`: each epoch is judged, of many only some. */
function epochsIn(left, perEpoch, perEvaluation, most) {
  const each = perEpoch + perEvaluation;
  if (left > most * each) return Math.floor((left - most * perEvaluation) / perEpoch);
  return Math.max(1, Math.floor(left / each));
}

/** The engine's own rule, asked for each size, for the working set and for each revision. */
function automaticEpochs(facts, images, size) {
  return (facts.epochs_by_images?.[images] ?? facts.epochs_by_size)?.[size] ?? facts.automatic_epochs;
}

/** A span in words: about(210) -> "about 4 min". The same as the template filter. */
export function about(seconds) {
  if (!Number.isFinite(seconds) || seconds <= 0) return "–";
  if (seconds < 50) return `about ${Math.max(5, Math.round(seconds / 5) * 5)} s`;
  if (seconds < 3600) return `about ${Math.max(1, Math.round(seconds / 60))} min`;
  return `about ${(seconds / 3600).toFixed(1)} h`;
}
