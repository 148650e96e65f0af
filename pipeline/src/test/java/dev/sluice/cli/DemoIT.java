// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The one command that shows it all. */
class DemoIT {

    private static final Pattern VERDICT = Pattern.compile("verified (\\d+) bytes, (\\d+) wrong");

    @ParameterizedTest
    @ValueSource(strings = {"360MB", "0"})
    void endsWithEveryByteVerified(String rate) {
        SluiceProcess.Ended demo = SluiceProcess.run("demo", "--seconds", "2", "--rate", rate);

        assertThat(demo.exit()).as("%s", demo).isZero();
        assertVerified(demo);
        assertThat(demo.err())
                .as("what the virtual machine and the libraries have to say is not for the user")
                .noneMatch(line -> line.contains("WARN"));
        assertThat(demo.err()).anyMatch(line -> line.contains("MB/s") && line.contains("lent"));
    }

    @Test
    void endsEarlyButWellOnSigterm() {
        try (SluiceProcess demo = SluiceProcess.start("demo", "--seconds", "1000")) {
            demo.awaitErr("[1-9][\\d.]* MB/s");
            demo.terminate();

            SluiceProcess.Ended ended = demo.end();
            assertThat(ended.exit()).as("%s", ended).isZero();
            assertVerified(ended);
        }
    }

    /** It may have nothing to say yet, but its receiver must not be left behind: that holds the demo's output open. */
    @Test
    void leavesNoProcessBehindWhenItIsStoppedAtOnce() {
        try (SluiceProcess demo = SluiceProcess.start("demo", "--seconds", "1000")) {
            demo.awaitOut("simulated device");
            demo.terminate();

            assertThat(demo.end().err()).noneMatch(line -> line.contains("Exception"));
        }
    }

    /** Ctrl-C in a terminal goes to every process of the group: to the receiver of the demo too. */
    @Test
    void endsEarlyButWellOnCtrlCInATerminal() {
        List<String> command = new ArrayList<>(List.of("setsid"));
        command.addAll(SluiceProcess.sluice());
        command.addAll(List.of("demo", "--seconds", "1000"));
        try (SluiceProcess demo = SluiceProcess.program(new ProcessBuilder(command))) {
            demo.awaitErr("[1-9][\\d.]* MB/s");
            demo.signal("INT", true);

            SluiceProcess.Ended ended = demo.end();
            assertThat(ended.exit()).as("%s", ended).isZero();
            assertVerified(ended);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--rate=fast", "--rate=-5", "--seconds=-1", "--seconds=0", "--seconds=soon"})
    void refusesWhatMakesNoSenseAndNamesTheOption(String option) {
        SluiceProcess.Ended demo = SluiceProcess.run("demo", option);

        assertThat(demo.exit()).as("%s", demo).isEqualTo(2);
        assertThat(demo.out()).isEmpty();
        assertThat(demo.err().getFirst()).contains(option.substring(0, option.indexOf('=')));
    }

    private static void assertVerified(SluiceProcess.Ended demo) {
        Matcher verdict = VERDICT.matcher(demo.out().getLast());
        assertThat(verdict.matches()).as("%s", demo).isTrue();
        assertThat(Long.parseLong(verdict.group(1))).isGreaterThan(0);
        assertThat(verdict.group(2)).isEqualTo("0");
    }
}
