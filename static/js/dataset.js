// The dataset page: says what the freeze will do while its numbers are chosen.

const form = document.getElementById("freeze-form");
const forecast = document.getElementById("freeze-forecast");

function tell() {
  const undecided = Number(form.dataset.undecided);
  const share = (name) => Math.max(0, Math.min(90, Number(form.elements[name].value) || 0));
  const [val, test] = [share("val"), share("test")];
  if (val + test > 90) {
    forecast.textContent = `val ${val} % and test ${test} % leave ${100 - val - test} % to train on. Leave at least 10 %.`;
    return;
  }
  if (!undecided) {
    forecast.textContent = "Every image that is done has its split already; all are kept.";
    return;
  }
  const [inVal, inTest] = [Math.round((undecided * val) / 100), Math.round((undecided * test) / 100)];
  const parts = [`${undecided - inVal - inTest} to train`, `${inVal} to val`, inTest ? `${inTest} to test` : ""].filter(Boolean);
  forecast.textContent = `Of ${undecided} image${undecided === 1 ? "" : "s"} in no split yet: about ${parts.join(", ")}. Splits that are there already are kept.`;
}

if (form && forecast) {
  form.addEventListener("input", tell);
  tell();
}
