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

    private static Progress isNew() {
        return new Progress(true, false, Place.START, 0, 0);
    }

    /** A first connection can break before anything came, and whoever comes then is new again. */
    @Test
    void whatNobodyIsKnownToHaveHadIsAnnouncedToWhoeverComes() throws Exception {
        try (FedDevice device = new FedDevice("fed", 1, PAGE)) {
            SinkStream stream = new SinkStream(new FramePool(device, new SourceCounters()), 0);
            assertThat(stream.welcomed(isNew(), false)).isZero();
            stream.handedOver(500, 20, 0);
            assertThat(stream.welcomed(isNew(), false)).isEqualTo(500);
            assertThat(stream.undeliveredBytes()).isEqualTo(520);
            stream.handedOver(100, 520, 520);
            stream.acknowledged();
            // Another one, then, and what the one before missed is no loss of this one.
            assertThat(stream.welcomed(isNew(), false)).isZero();
            assertThat(stream.undeliveredBytes()).isZero();
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
