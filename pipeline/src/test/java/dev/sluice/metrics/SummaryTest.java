// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** What a summary says of a device. */
final class SummaryTest {

    private static final DeviceCounts COUNTS =
            new DeviceCounts(0, 0, 3, 0, 0, 1000, 4_096_000, 8192, true, 1_500_000_000L, 0, 0);

    private static Summary summary(DeviceCounts device) {
        RunCounters counters = new RunCounters();
        counters.source("adc").device(() -> device);
        return Summary.of(counters, Duration.ofSeconds(1));
    }

    @Test
    void lossIsTold() {
        assertThat(summary(COUNTS).text()).contains("lost         8,192 bytes; the engine had no buffer for 1.500 s\n");
        assertThat(summary(COUNTS).json()).contains("\"loss_known\":true", "\"lost_bytes\":8192");
    }

    @Test
    void lossThatNobodyKnowsIsNotCalledNone() {
        Summary summary = summary(new DeviceCounts(0, 0, 3, 0, 0, 1000, 4_096_000, 0, false, 1_500_000_000L, 0, 0));
        assertThat(summary.text()).contains("lost         not told by the DMA engine; it had no buffer for 1.500 s\n");
        assertThat(summary.json()).contains("\"loss_known\":false");
    }

    @Test
    void whatShouldNotHappenIsTold() {
        assertThat(summary(COUNTS).text()).doesNotContain("errors", "quarantined");
        Summary summary = summary(new DeviceCounts(0, 0, 0, 0, 1, 1, 1, 0, true, 0, 2, 3));
        assertThat(summary.text())
                .contains(
                        "quarantined  2 buffers came back while they were still in use; the driver waited\n",
                        "errors       3 transfers into a buffer failed, as the DMA engine says\n");
        assertThat(summary.json()).contains("\"quarantines\":2", "\"transfer_errors\":3");
    }
}
