"""python -m benchmarks.forms: loss and gradients with our convolutions, against the same with those of other forms."""

import jax
import optax

from benchmarks.network import CLASSES, Ours, of_clips, random_clips
from benchmarks.timing import describe_machine, interleaved
from r3d_jax.compiling import compiler_options
from r3d_jax.models import conv3d
from r3d_jax.models.classifier import build
from r3d_jax.models.predict import normalise


def main():
    flags = of_clips(__doc__).parse_args()
    print(describe_machine([]), flush=True)
    clips, labels = random_clips(flags)
    ours = Ours(build(flags.network, CLASSES), clips, labels)
    variables = ours.state.variables

    def loss_fn(params):
        inputs = normalise(clips, model=ours.model)
        logits, _ = ours.model.apply({**variables, "params": params}, inputs, train=True, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def run():
        jax.clear_caches()
        step = jax.jit(lambda params: jax.value_and_grad(loss_fn)(params)).lower(variables["params"])
        compiled = step.compile(compiler_options=compiler_options(ours.devices[0].platform))
        return lambda: jax.block_until_ready(compiled(variables["params"]))

    chosen = conv3d.form_for_cpu
    runs = {"ours": run()}
    for name, form in (("sums of 2-D convolutions", conv3d.portable), ("`lax.conv_general_dilated`", conv3d.native)):
        conv3d.form_for_cpu = lambda *_, form=form, **__: (form, False)
        runs[name] = run()
    conv3d.form_for_cpu = chosen
    times = interleaved(runs, 2)
    what = f"{flags.network}, {flags.frames}x{flags.size}x{flags.size}, {flags.batch} clips"
    print("\n| convolutions of the loss and its gradients | | r3d_jax is |\n|---|---|---|")
    for name, took in times.items():
        print(f"| {what}: {name} | {took:.3f} s | {took / times['ours']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
