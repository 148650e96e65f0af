// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;

/**
 * How long buffers were out of the DMA engine's reach. Rate times the longest of these is what the ring must hold. Two
 * significant digits, up to an hour (longer counts as an hour). Written by one thread; read when that is done.
 */
public final class HoldTimes {

    private static final long MOST_NANOS = TimeUnit.HOURS.toNanos(1);

    private final Histogram histogram = new Histogram(1_000, MOST_NANOS, 2);

    public void record(long nanos) {
        histogram.recordValue(Math.clamp(nanos, 0, MOST_NANOS));
    }

    public double percentileMillis(double percentile) {
        return histogram.getValueAtPercentile(percentile) / 1e6;
    }
}
