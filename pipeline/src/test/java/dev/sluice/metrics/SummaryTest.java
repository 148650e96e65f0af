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

    @Test
    void aFileSinkIsToldInWordsThatFitIt() {
        RunCounters counters = new RunCounters();
        SinkCounters disk = counters.sink("disk");
        disk.toFile(true);
        disk.kept.add(5000);
        disk.framesSent.add(2);
        disk.send.sent.add(5000);
        disk.send.byReference.add(4096);
        disk.send.plain.add(904);
        disk.send.plainReason("frames are not aligned");
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).text()).isEqualTo("""
                        kept         5,000 bytes in 2 frames written
                        written      5,000 bytes in 1.00 s, 0.0 MB/s
                        by reference 4,096 bytes, past the page cache
                        plain        904 bytes, through the page cache: frames are not aligned
                        """);
        disk.diskFull.add(3);
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).text()).contains("disk full    3 times\n");
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).json()).contains("\"disk_full\":3");
    }

    @Test
    void receiversAndThoseRefusedAreTold() {
        RunCounters counters = new RunCounters();
        SinkCounters net = counters.sink("net");
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).text()).doesNotContain("receivers", "reconnects");
        net.receivers.add(3);
        net.refused.add(1);
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).text())
                .contains("receivers    3 connected, 1 refused\n");
        net.framesRepeated.add(2);
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).text())
                .contains("receivers    3 connected, 1 refused; 2 frames begun again\n")
                .doesNotContain("reconnects");
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).json()).contains("\"receivers\":3", "\"refused\":1");
    }

    @Test
    void whatBecameOfBrokenAndFailedConnectionsIsToldIfThereWereAny() {
        RunCounters counters = new RunCounters();
        SinkCounters net = counters.sink("net");
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).text())
                .doesNotContain("undelivered", "known", "handshakes");
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).json())
                .contains("\"undelivered_bytes\":0", "\"frames_known\":0", "\"handshakes_failed\":0");
        net.undelivered.add(4096);
        net.framesKnown.add(7);
        net.handshakesFailed.add(2);
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).text())
                .contains(
                        "undelivered  4,096 bytes were lost with their connection, and announced as lost\n",
                        "known        7 frames were not sent, since the receiver had them\n",
                        "handshakes   2 failed: the peer spoke something else, too slowly, or could not prove who it is\n");
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).json())
                .contains("\"undelivered_bytes\":4096", "\"frames_known\":7", "\"handshakes_failed\":2");
    }

    @Test
    void whatWasStartedAgainIsToldIfAnythingWas() {
        RunCounters counters = new RunCounters();
        counters.source("fpga");
        counters.sink("net");
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).text()).doesNotContain("restarts");
        counters.source("fpga").restarts.add(3);
        counters.sink("net").restarts.add(2);
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).text())
                .contains(
                        "restarts     3, after the device had failed\n",
                        "restarts     2, after its actor had died: see the log\n");
        assertThat(Summary.of(counters, Duration.ofSeconds(1)).json())
                .contains("\"restarts\":5", "\"restarts\":3", "\"restarts\":2");
    }
}
