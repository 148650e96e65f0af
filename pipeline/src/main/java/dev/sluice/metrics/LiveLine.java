// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

import java.util.Locale;

/** One line of figures that is written over and over while a pipeline runs. */
public final class LiveLine {

    private final PipelineCounters counters;
    private long beforeNanos = System.nanoTime();
    private long beforeBytes;

    public LiveLine(PipelineCounters counters) {
        this.counters = counters;
    }

    /** What happened since the last call, and how things stand. */
    public String next() {
        long now = System.nanoTime();
        long sent = counters.send.sent.value();
        double seconds = Math.max(1, now - beforeNanos) / 1e9;
        double rate = (sent - beforeBytes) / 1e6 / seconds;
        beforeNanos = now;
        beforeBytes = sent;
        DeviceCounts device = counters.device();
        return String.format(
                Locale.ROOT,
                "%6.1f MB/s | %d armed %d filled %d lent | MB: %.0f in flight %.0f by reference %.0f copied "
                        + "%.0f plain %.0f lost",
                rate,
                device.armed(),
                device.filled(),
                device.lent(),
                counters.send.outstanding() / 1e6,
                counters.send.byReference.value() / 1e6,
                counters.send.copied.value() / 1e6,
                counters.send.plain.value() / 1e6,
                device.lostBytes() / 1e6);
    }
}
