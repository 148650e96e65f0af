// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/**
 * What one rival came to with frames of one size.
 *
 * @param median of each figure for itself
 * @param spread of the throughput: from the slowest round to the fastest, as a share of the median
 */
record Result(Rival rival, int frameBytes, int rounds, Measurement median, double spread) {

    static Result of(Rival rival, int frameBytes, List<Measurement> rounds) {
        Measurement median = new Measurement(
                median(rounds, Measurement::mbPerS),
                median(rounds, Measurement::senderCpu),
                median(rounds, Measurement::receiverCpu),
                median(rounds, Measurement::machineCpu),
                median(rounds, Measurement::copied));
        double fastest = rounds.stream().mapToDouble(Measurement::mbPerS).max().orElse(0);
        double slowest = rounds.stream().mapToDouble(Measurement::mbPerS).min().orElse(0);
        return new Result(rival, frameBytes, rounds.size(), median, (fastest - slowest) / median.mbPerS());
    }

    private static double median(List<Measurement> rounds, ToDoubleFunction<Measurement> figure) {
        double[] sorted = rounds.stream().mapToDouble(figure).sorted().toArray();
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /** One line for programs. */
    String json() {
        return String.format(
                Locale.ROOT,
                "{\"rival\":\"%s\",\"frame_bytes\":%d,\"mb_per_s\":%.1f,\"sender_cpu_s_per_gb\":%.4f,"
                        + "\"receiver_cpu_s_per_gb\":%.4f,\"machine_cpu_s_per_gb\":%.4f,\"kind\":\"%s\","
                        + "\"limit\":\"%s\",\"kernel_copied\":%.3f,\"rounds\":%d,\"spread\":%.3f}",
                rival.name(),
                frameBytes,
                median.mbPerS(),
                median.senderCpu(),
                median.receiverCpu(),
                median.machineCpu(),
                rival.kind().text,
                rival.limit(),
                median.copied(),
                rounds,
                spread);
    }
}
