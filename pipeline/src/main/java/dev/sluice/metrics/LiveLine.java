// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

import java.util.Locale;
import java.util.function.ToLongFunction;

/** One line of figures that is written over and over while a pipeline runs. */
public final class LiveLine {

    private final RunCounters counters;
    private long beforeNanos = System.nanoTime();
    private long beforeBytes;

    public LiveLine(RunCounters counters) {
        this.counters = counters;
    }

    /** What happened since the last call, and how things stand. */
    public String next() {
        long now = System.nanoTime();
        long sent = ofSinks(send -> send.sent.value());
        double seconds = Math.max(1, now - beforeNanos) / 1e9;
        double rate = (sent - beforeBytes) / 1e6 / seconds;
        beforeNanos = now;
        beforeBytes = sent;
        return String.format(
                Locale.ROOT,
                "%6.1f MB/s | %d armed %d filled %d lent | MB: %.0f in flight %.0f by reference %.0f copied "
                        + "%.0f plain %.0f lost%s",
                rate,
                ofDevices(DeviceCounts::armed),
                ofDevices(DeviceCounts::filled),
                ofDevices(DeviceCounts::lent),
                ofSinks(SendCounters::outstanding) / 1e6,
                ofSinks(send -> send.byReference.value()) / 1e6,
                ofSinks(send -> send.copied.value()) / 1e6,
                ofSinks(send -> send.plain.value()) / 1e6,
                ofDevices(DeviceCounts::lostBytes) / 1e6,
                dropped());
    }

    private long ofDevices(ToLongFunction<DeviceCounts> figure) {
        return counters.sources().values().stream()
                .mapToLong(source -> figure.applyAsLong(source.device()))
                .sum();
    }

    private long ofSinks(ToLongFunction<SendCounters> figure) {
        return counters.sinks().values().stream()
                .mapToLong(sink -> figure.applyAsLong(sink.send))
                .sum();
    }

    private String dropped() {
        long bytes = counters.sinks().values().stream()
                .mapToLong(sink -> sink.dropped.value())
                .sum();
        return bytes == 0 ? "" : String.format(Locale.ROOT, " %.0f dropped", bytes / 1e6);
    }
}
