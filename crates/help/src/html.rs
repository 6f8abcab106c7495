//! A topic as HTML.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::links::{Target, target};
use crate::shown::markdown;
use crate::{Document, Topic};

/// A topic as HTML without its heading. Links to other topics lead to `/help/ID`, links to documents that are not embedded
/// are plain text, and HTML in the Markdown is shown as it was typed.
#[must_use]
pub fn html(topic: &Topic) -> String {
    let mut out = String::with_capacity(topic.text.len() * 2);
    pulldown_cmark::html::push_html(&mut out, events(topic.document, &markdown(topic)).into_iter());
    out
}

/// What of Markdown is shown.
fn events(document: Document, text: &str) -> Vec<Event<'_>> {
    let mut ended = Vec::new();
    let shown = Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
        Event::Start(Tag::HtmlBlock) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::HtmlBlock) => Some(Event::End(TagEnd::Paragraph)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { link_type, dest_url, id, .. }) => {
            let leads = match target(document, &dest_url) {
                Target::Topic(topic) => Some(format!("/help/{}", topic.id).into()),
                Target::Web(_) => Some(dest_url),
                Target::Elsewhere => None,
            };
            ended.push(leads.is_some());
            let title = "".into();
            leads.map(|dest_url| Event::Start(Tag::Link { link_type, dest_url, title, id }))
        }
        Event::End(TagEnd::Link) => ended.pop().unwrap_or(false).then_some(event),
        event => Some(event),
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::{Document, Topic, html};

    fn of(text: &'static str) -> String {
        let (id, title) = ("x".to_owned(), "X".to_owned());
        html(&Topic { document: Document::Messages, id, title, text })
    }

    #[test]
    fn html_in_a_document_is_shown_and_not_carried_out() {
        assert_eq!(of("a <b onclick=x>b</b>"), "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n");
        let block =
            of("<script>\nalert(1)\n</script>\n\n![i](javascript:x) [l](javascript:alert(1))");
        assert!(block.contains("&lt;script&gt;") && !block.contains("<script"), "{block}");
        assert!(block.contains("<p>i l</p>"), "{block}");
    }

    #[test]
    fn links_lead_to_topics_to_the_web_or_nowhere() {
        assert_eq!(of("[a](#comm_failed)"), "<p><a href=\"/help/comm_failed\">a</a></p>\n");
        assert_eq!(of("[a](faq.md)"), "<p><a href=\"/help/faq\">a</a></p>\n");
        assert_eq!(of("[a](protocol.md#csv)"), "<p>a</p>\n");
        assert_eq!(
            of("<https://x.example>"),
            "<p><a href=\"https://x.example\">https://x.example</a></p>\n"
        );
    }
}
