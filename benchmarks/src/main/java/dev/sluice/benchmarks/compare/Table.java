// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The results of one frame size, for people: each with its ratios to the loop in C that sends the same way. */
final class Table {

    static final String LEGEND = """
            MB/s, s/GB: payload, 10^6 and 10^9 bytes, medians of the rounds. of C: throughput, and CPU of the sender, each as a
            ratio to the loop in C that sends the same way. sender, receiver: of their processes; machine: all that the
            processors did, others' work included. spread: slowest to fastest round, as a share of the median.
            * the kernel says that it copied after all, as it does on loopback (Netty does not tell)""";

    private Table() {}

    static String of(int frameBytes, List<Result> results) {
        Map<String, Measurement> limits = results.stream()
                .collect(Collectors.toMap(result -> result.rival().name(), Result::median));
        StringBuilder text = new StringBuilder(String.format(
                Locale.ROOT,
                "frames of %s%n%-22s %-14s %7s %6s %12s %6s %14s %13s %7s%n",
                size(frameBytes),
                "rival",
                "kind",
                "MB/s",
                "of C",
                "sender s/GB",
                "of C",
                "receiver s/GB",
                "machine s/GB",
                "spread"));
        for (Rival.Kind kind : Rival.Kind.values()) {
            results.stream().filter(result -> result.rival().kind() == kind).forEach(result -> {
                Function<ToDoubleFunction<Measurement>, String> ratio = figure ->
                        ratio(figure, result.median(), limits.get(result.rival().limit()));
                text.append(line(result, ratio.apply(Measurement::mbPerS), ratio.apply(Measurement::senderCpu)));
            });
        }
        return text.toString();
    }

    private static String line(Result result, String ofThroughput, String ofCpu) {
        Measurement median = result.median();
        boolean copied = median.copied() > 0.5;
        return String.format(
                Locale.ROOT,
                "%-22s %-14s %7.0f %6s %12.3f %6s %14.3f %13.3f %6.0f%%%n",
                result.rival().name(),
                result.rival().kind().text + (copied ? " *" : ""),
                median.mbPerS(),
                ofThroughput,
                median.senderCpu(),
                ofCpu,
                median.receiverCpu(),
                median.machineCpu(),
                result.spread() * 100);
    }

    private static String ratio(ToDoubleFunction<Measurement> figure, Measurement of, @Nullable Measurement to) {
        return to == null
                ? "-"
                : String.format(Locale.ROOT, "%.2f", figure.applyAsDouble(of) / figure.applyAsDouble(to));
    }

    static String size(int bytes) {
        return bytes % (1 << 20) == 0
                ? bytes / (1 << 20) + " MiB"
                : bytes % (1 << 10) == 0 ? bytes / (1 << 10) + " KiB" : bytes + " bytes";
    }
}
