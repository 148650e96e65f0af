// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.device.FedDevice;
import dev.sluice.metrics.SourceCounters;
import dev.sluice.wire.Place;
import dev.sluice.wire.Progress;
import org.junit.jupiter.api.Test;

final class SinkStreamTest {

    private static final long PAGE = 4096;

    private static Progress has(long receivedBytes, long lostBytes) {
        return new Progress(false, false, new Place(1, 1000), receivedBytes, lostBytes);
    }

    @Test
    void whatAReceiverLacksOfWhatItWasSentIsAnnouncedToIt() throws Exception {
        try (FedDevice device = new FedDevice("fed", 1, PAGE)) {
            SinkStream stream = new SinkStream(new FramePool(device, new SourceCounters()), 0);
            stream.welcomed(has(1000, 0), false);
            stream.handedOver(500, 20, 0);
            assertThat(stream.welcomed(has(1100, 0), false)).isEqualTo(400);
            assertThat(stream.undeliveredBytes()).isEqualTo(420);
        }
    }

    @Test
    void aReceiverCanLackNoMoreThanItWasSentSinceItSaidWhatItHas() throws Exception {
        try (FedDevice device = new FedDevice("fed", 1, PAGE)) {
            SinkStream stream = new SinkStream(new FramePool(device, new SourceCounters()), 0);
            stream.welcomed(has(Long.MAX_VALUE, Long.MAX_VALUE - 7), false);
            assertThat(stream.welcomed(has(0, 0), false)).isZero();
            assertThat(stream.undeliveredBytes()).isZero();
            stream.handedOver(500, 20, 0);
            assertThat(stream.welcomed(has(0, 0), false)).isEqualTo(500);
            assertThat(stream.undeliveredBytes()).isEqualTo(520);
        }
    }
}
