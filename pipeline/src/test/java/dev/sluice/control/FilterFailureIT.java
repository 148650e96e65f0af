// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.wire.Framing;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A filter that misbehaves ends the pipeline with its name, and takes no buffer with it. */
class FilterFailureIT {

    private static final int GOOD_FRAMES = 200;
    private static final int BUFFERS = 8;

    @ParameterizedTest(name = "{0}")
    @CsvSource({"cannot-be-made, no licence found", "is-null, 'its factory made no filter, but null'"})
    void namesAFilterThatCannotBeMade(String how, String message) throws Exception {
        PipelineSystem system = PipelineSystem.start(TopologyTexts.valid("""
                sluice {
                  sources { fpga { type = simulated } }
                  filters { odd { type = misbehaving, from = fpga, how = %s, in-frame = 0 } }
                  sinks { out { type = tcp, from = odd, connect = "127.0.0.1:1" } }
                }
                """.formatted(how)));
        Outcome outcome = system.outcome().get(1, TimeUnit.MINUTES);

        assertThat(outcome.failure()).isNotNull();
        assertThat(outcome.failure().getMessage()).contains("filter odd").contains(message);
        assertThat(system.counters().source("fpga").device().lent()).isZero();
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "throws, no idea what to do with this",
        "outside, 'it kept the slice from 0 of length 65537, which is outside the frame of 65536 bytes'",
        "overlaps, overlaps or precedes the one that ended at 100",
        "backwards, overlaps or precedes the one that ended at 101",
        "errs, 'filters recurse, too'"
    })
    void endsThePipelineAndLosesNoBuffer(String how, String message) throws Exception {
        Receiver.Options options = new Receiver.Options(Framing.SLUICE, true, null, false);
        try (Receiver receiver = new Receiver(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), options)) {
            CompletableFuture<Report> report = CompletableFuture.supplyAsync(receiver::receive);
            PipelineSystem system = PipelineSystem.start(TopologyTexts.valid(
                    """
                    sluice {
                      sources { fpga { type = simulated, buffer-size = 64KiB, buffers = %d } }
                      filters { odd { type = misbehaving, from = fpga, how = %s, in-frame = %d } }
                      sinks { out { type = tcp, from = odd, connect = "127.0.0.1:%d" } }
                    }
                    """.formatted(BUFFERS, how, GOOD_FRAMES, receiver.address().getPort())));
            Outcome outcome = system.outcome().get(1, TimeUnit.MINUTES);

            assertThat(outcome.exitCode()).isEqualTo(1);
            assertThat(outcome.failure()).isNotNull();
            assertThat(outcome.failure().getMessage()).contains("filter odd").contains(message);
            assertThat(system.counters().source("fpga").device().lent()).isZero();
            assertThat(system.counters().source("fpga").device().free()
                            + system.counters().source("fpga").device().filled())
                    .isEqualTo(BUFFERS);
            // What came before still arrived, and the receiver is not told that this was all.
            Report received = report.get(1, TimeUnit.MINUTES);
            assertThat(received.frames()).isEqualTo(GOOD_FRAMES);
            assertThat(received.wrongBytes()).isZero();
            assertThat(received.problem()).contains("without an END");
        }
    }
}
