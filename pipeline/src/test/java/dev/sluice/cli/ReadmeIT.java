// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.topology.TopologyReader;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the README tells a user to type, and what {@code conf/} offers, works as it stands there. */
class ReadmeIT {

    private static final Path ROOT = SluiceProcess.home().resolve("..").normalize();

    @Test
    void runsEveryCommandHereOrInCi() throws IOException {
        assertThat(blocks("sh"))
                .containsExactly(
                        "pipeline/bin/sluice demo",
                        "mvn -B verify",
                        "linux-driver/test/run",
                        "pipeline/bin/sluice receive --verify",
                        "pipeline/bin/sluice run --live conf/quickstart.conf",
                        "pipeline/test/chaos --minutes 1");
        assertThat(Files.readAllLines(ROOT.resolve(".ci/run")))
                .contains(
                        "pipeline/bin/sluice demo",
                        "mvn -B verify",
                        "linux-driver/test/run",
                        "pipeline/test/chaos --minutes 1");
    }

    @Test
    void streamsBetweenTheTwoTerminals() throws IOException {
        List<String> commands = blocks("sh");
        try (SluiceProcess receiver = shell(commands.get(3))) {
            receiver.awaitOut("listening on 127\\.0\\.0\\.1:7000");
            try (SluiceProcess sender = shell(commands.get(4))) {
                sender.awaitErr("[1-9][0-9.]* MB/s .* armed");
                sender.terminate();
                SluiceProcess.Ended sent = sender.end();
                assertThat(sent.exit()).as("%s", sent).isZero();
                assertThat(sent.text()).contains("acquired", "sent", "lost");
            }
            SluiceProcess.Ended received = receiver.end();
            assertThat(received.exit()).as("%s", received).isZero();
            assertThat(received.text()).containsPattern("verified [1-9]\\d* bytes, 0 wrong");
        }
    }

    @Test
    void showsATopologyThatIsRight() throws IOException {
        assertThat(blocks("hocon"))
                .isNotEmpty()
                .allSatisfy(text ->
                        assertThat(TopologyReader.read(text, "README.md")).isInstanceOf(TopologyReader.Valid.class));
    }

    @Test
    void offersTopologiesThatAreRight() throws IOException {
        try (Stream<Path> files = Files.list(ROOT.resolve("conf"))) {
            // ExampleIT looks at this one, which needs the example's jar.
            assertThat(files.filter(file -> !file.endsWith("custom-filter.conf")))
                    .isNotEmpty()
                    .allSatisfy(file -> assertThat(TopologyReader.read(file)).isInstanceOf(TopologyReader.Valid.class));
        }
    }

    /** It is a part of the example, which ExampleIT runs. */
    @Test
    void showsAFilterThatCompiles(@TempDir Path folder) throws IOException {
        List<String> examples = blocks("java");
        assertThat(examples).hasSize(1);
        assertThat(Files.readString(ROOT.resolve("pipeline/examples/src/main/java/example/Mean.java")))
                .contains(examples.getFirst());
        Path source = Files.writeString(folder.resolve("Mean.java"), """
                import static java.lang.foreign.ValueLayout.JAVA_BYTE;

                import dev.sluice.filter.*;
                import java.lang.foreign.MemorySegment;
                import java.util.function.Supplier;

                """ + examples.getFirst());
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter messages = new StringWriter();
        boolean compiled = compiler.getTask(
                        messages,
                        null,
                        null,
                        List.of("-proc:none", "-d", folder.toString()),
                        null,
                        compiler.getStandardFileManager(null, null, null).getJavaFileObjects(source))
                .call();
        assertThat(compiled).as(messages.toString()).isTrue();
    }

    /** The README's blocks of one language. */
    private static List<String> blocks(String language) throws IOException {
        Pattern block = Pattern.compile("^```" + language + "\\n(.*?)\\n```$", Pattern.MULTILINE | Pattern.DOTALL);
        return block.matcher(Files.readString(ROOT.resolve("README.md")))
                .results()
                .map((MatchResult match) -> match.group(1))
                .toList();
    }

    /** A line as a user types it, at the top of the checkout. */
    private static SluiceProcess shell(String line) {
        return SluiceProcess.program(new ProcessBuilder("sh", "-c", "exec " + line).directory(ROOT.toFile()));
    }
}
