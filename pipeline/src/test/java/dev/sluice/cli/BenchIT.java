// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** That it measures, and what it says if it cannot; not how fast anything is. */
final class BenchIT {

    @Test
    void everyTransportIsMeasuredOverOneConnection() throws IOException {
        try (SluiceProcess receiver =
                SluiceProcess.start("receive", "--framing", "raw", "--listen", "127.0.0.1:0", "--json")) {
            SluiceProcess.Ended bench = SluiceProcess.run(
                    "bench",
                    "--json",
                    "--rounds",
                    "1",
                    "--seconds",
                    "1",
                    "--frame-size",
                    "65536",
                    receiver.listening());
            assertThat(bench.exit()).as("%s", bench).isZero();
            List<Config> rows =
                    bench.text().lines().map(ConfigFactory::parseString).toList();
            assertThat(rows)
                    .extracting(row -> row.getString("transport"))
                    .containsExactly("copy", "splice", "zerocopy", "uring");
            for (Config row : rows) {
                assertThat(row.getDouble("mb_per_s")).as("%s", row).isPositive();
                assertThat(row.getDouble("sender_cpu_s_per_gb")).as("%s", row).isPositive();
                // On loopback only spliced pages are not copied.
                assertThat(row.getDouble("by_reference"))
                        .as("%s", row)
                        .isEqualTo(row.getString("transport").equals("splice") ? 1 : 0);
            }
            SluiceProcess.Ended received = receiver.end();
            assertThat(received.exit()).as("%s", received).isZero();
            assertThat(received.json().getLong("bytes") % 65536).isZero();
        }
    }

    @Test
    void peopleGetATableAndWhatAutoTakes() throws IOException {
        try (SluiceProcess receiver =
                SluiceProcess.start("receive", "--framing", "raw", "--listen", "127.0.0.1:0", "--json")) {
            SluiceProcess.Ended bench = SluiceProcess.run("bench", "--rounds", "1", receiver.listening());
            assertThat(bench.exit()).as("%s", bench).isZero();
            assertThat(bench.text())
                    .containsPattern("transport +MB/s +sender CPU s/GB +by reference")
                    .containsPattern("(?m)^copy +[0-9.]+ +[0-9.]+ +0%$")
                    .containsPattern("(?m)^splice +[0-9.]+ +[0-9.]+ +100%$")
                    .contains("auto takes copy, the receiver is on this machine");
        }
    }

    @Test
    void nobodyThereIsOneSentence() throws IOException {
        SluiceProcess.Ended bench = SluiceProcess.run("bench", "127.0.0.1:" + SluiceProcess.freePort());
        assertThat(bench.exit()).isEqualTo(1);
        assertThat(bench.complaints()).singleElement().asString().contains("Connection refused");
    }

    @Test
    void aReceiverThatGoesIsOneSentence() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                SluiceProcess bench = SluiceProcess.start("bench", "127.0.0.1:" + server.getLocalPort())) {
            try (Socket leaves = server.accept()) {
                leaves.getInputStream().readNBytes(1 << 20);
                leaves.setSoLinger(true, 0);
            }
            SluiceProcess.Ended ended = bench.end();
            assertThat(ended.exit()).as("%s", ended).isEqualTo(1);
            assertThat(ended.complaints().getLast()).contains("is gone").contains("it must read anything that comes");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "7000, HOST:PORT",
        "h:0, HOST:PORT",
        "h:1 --frame-size 1000, --frame-size",
        "h:1 --frame-size 128000000, --frame-size",
        "h:1 --rounds 0, --rounds",
        "h:1 --seconds 4000, --seconds",
        "h:1 --rounds many, --rounds"
    })
    void whatMakesNoSenseIsToldWithTheUsage(String arguments, String named) throws IOException {
        String[] all = ("bench " + arguments).split(" ", -1);
        SluiceProcess.Ended bench = SluiceProcess.run(all);
        assertThat(bench.exit()).isEqualTo(2);
        assertThat(bench.complaints().getFirst()).contains(named);
    }
}
