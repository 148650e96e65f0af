// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** SIGHUP: the file is read again. */
class HangupIT {

    private static final String FIRST = """
            sluice {
              sources { fpga { type = simulated, rate = 20MB, buffer-size = 64KiB } }
              sinks { first { type = discard, from = fpga } }
            }
            """;

    @TempDir
    private Path folder;

    @Test
    void onlyAFileWithoutProblemsChangesAnything() throws IOException {
        Path file = Files.writeString(folder.resolve("topology.conf"), FIRST);
        try (SluiceProcess run = SluiceProcess.start("run", "--json", "--live", file.toString())) {
            run.awaitErr("[1-9][0-9]* armed"); // it runs, or the first to run would be the last of these topologies

            Files.writeString(file, FIRST.replace("fpga }", "fgpa }"));
            run.signal("HUP", false);
            run.awaitErr("topology.conf:3:42: sinks.first.from is \"fgpa\", which is no source or filter here");
            run.awaitErr("the topology before goes on");

            Files.writeString(
                    file,
                    FIRST.replace("sinks {", "sources.old { type = replay, path = \"" + folder + "/none\" }\n  sinks {")
                            .replace("from = fpga", "from = [fpga, old]"));
            run.signal("HUP", false);
            run.awaitErr("sources.old.path: .*/none does not exist");
            run.awaitErr("the topology before goes on", 2);

            Files.writeString(file, FIRST.replace("sinks {", "sinks { second { type = discard, from = fpga }, "));
            run.signal("HUP", false);
            run.awaitErr("topology.conf: read again$");
            run.awaitErr("MB/s", run.countErr("MB/s") + 2);
            run.terminate();

            SluiceProcess.Ended ended = run.end();
            assertThat(ended.exit()).as("%s", ended).isZero();
            Config summary = ended.json();
            long first = summary.getLong("sinks.first.frames_sent");
            long second = summary.getLong("sinks.second.frames_sent");
            assertThat(second).isPositive().isLessThan(first);
            assertThat(first).isEqualTo(summary.getLong("sources.fpga.frames"));
            assertThat(summary.getLong("lost_bytes")).isZero();
        }
    }
}
